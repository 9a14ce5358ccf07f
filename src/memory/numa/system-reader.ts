// Reads the system's own tree of small files.

import { readdirSync, readFileSync } from 'node:fs';
import type { TreeReader } from './topology.ts';

export const systemReader: TreeReader = {
  list(path) {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
  read(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
};
