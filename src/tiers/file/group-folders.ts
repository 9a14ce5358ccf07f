// File tiers of several cache groups in one folder: the first group's pages lie in it, those of the others in folders inside it.

import { join } from 'node:path';
import { TierFolderError } from '../../errors/index.ts';
import type { Tier } from '../tier.ts';
import { type FileTierOptions, openFileTier } from './file-tier.ts';
import { discardPageFolder } from './page-folder.ts';
import { faultOf, isDiskFull } from './tier-files.ts';

const groupFolder = /^group-(\d+)$/;

/** Of all groups: the folder that is the first one's, and whose lock is that of all. */
export type GroupFoldersOptions = Pick<FileTierOptions, 'folder' | 'files' | 'onEvent'>;

/**
 * A file tier for each group, see openFileTier, and with the same errors. Pages of groups that a folder had more of are removed: they are no part of any
 * budget. Where the disk is full, the pages of no group keep the tier of another one from being opened: all are removed.
 */
export async function openFileTiers(
  common: GroupFoldersOptions,
  groups: readonly Omit<FileTierOptions, keyof GroupFoldersOptions>[],
): Promise<readonly Tier[]> {
  const { folder, files, onEvent } = common;
  const folders = groups.map((_, group) => (group === 0 ? folder : join(folder, `group-${group}`)));
  const tell = (kind: 'fault' | 'discarded', message: string): void => {
    onEvent?.({ tier: groups[0].name ?? 'file', kind, message });
  };

  async function discardOthers(): Promise<void> {
    try {
      for (const name of await files.list(folder)) {
        if (Number(groupFolder.exec(name)?.[1] ?? 0) >= groups.length)
          await discardPageFolder(files, join(folder, name));
      }
    } catch (error) {
      tell('fault', `pages of groups that are no more in ${folder} cannot be removed (${faultOf(error)})`);
    }
  }

  async function openAll(): Promise<readonly Tier[]> {
    const tiers: Tier[] = [];
    try {
      for (const [group, options] of groups.entries()) {
        tiers.push(await openFileTier({ ...common, ...options, folder: folders[group] }));
        if (group === 0) await discardOthers();
      }
      return tiers;
    } catch (error) {
      for (const tier of tiers) await tier.close();
      throw error;
    }
  }

  try {
    return await openAll();
  } catch (error) {
    const isFull = error instanceof TierFolderError && error.cause !== undefined && isDiskFull(error.cause);
    if (!isFull || groups.length === 1) throw error;
    tell('discarded', `pages of all cache groups in ${folder}: the disk is full`);
    for (const each of folders) {
      await discardPageFolder(files, each).catch((fault) => {
        tell('fault', `pages in ${each} cannot be removed (${faultOf(fault)})`);
      });
    }
    return openAll();
  }
}
