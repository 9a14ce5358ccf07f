// The Hugging Face hub's cache layout: models--owner--name/{blobs,refs,snapshots}, snapshots linking to blobs.

import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** Where one repository lives in a cache. */
export interface RepoCache {
  readonly folder: string;
  /** The commit that a branch or tag last stood for, or null. A commit stands for itself. */
  readRef(revision: string): Promise<string | null>;
  writeRef(revision: string, commit: string): Promise<void>;
  blobPath(etag: string): string;
  snapshotPath(commit: string, path?: string): string;
  /** Makes the snapshot's `path` point to the blob. */
  link(commit: string, path: string, etag: string): Promise<void>;
  /** Paths of the files in a snapshot whose blobs are there. */
  listSnapshot(commit: string): Promise<readonly string[]>;
}

const commitPattern = /^[0-9a-f]{40}$/;

/** The part of the hub cache at `cacheDir` that belongs to `repo` (`owner/name`). */
export function openRepoCache(cacheDir: string, repo: string): RepoCache {
  const folder = join(cacheDir, `models--${repo.replaceAll('/', '--')}`);
  const snapshotPath = (commit: string, path = '') => join(folder, 'snapshots', commit, path);
  const blobPath = (etag: string) => join(folder, 'blobs', etag);
  return {
    folder,
    blobPath,
    snapshotPath,
    async readRef(revision) {
      if (commitPattern.test(revision)) return revision;
      const text = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => '');
      return commitPattern.test(text.trim()) ? text.trim() : null;
    },
    async writeRef(revision, commit) {
      if (revision === commit) return;
      const path = join(folder, 'refs', revision);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, commit);
    },
    async link(commit, path, etag) {
      const linkPath = snapshotPath(commit, path);
      await mkdir(dirname(linkPath), { recursive: true });
      const temporaryPath = `${linkPath}.link`;
      await rm(temporaryPath, { force: true });
      try {
        await symlink(relative(dirname(linkPath), blobPath(etag)), temporaryPath);
      } catch (error) {
        // Windows without the privilege to make links: the hub's own client copies too.
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
        await copyFile(blobPath(etag), temporaryPath);
      }
      await rename(temporaryPath, linkPath);
    },
    async listSnapshot(commit) {
      const root = snapshotPath(commit);
      const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
      const paths: string[] = [];
      for (const entry of entries) {
        const path = join(entry.parentPath, entry.name);
        const found = await stat(path).catch(() => null);
        if (found?.isFile() === true) paths.push(relative(root, path).replaceAll('\\', '/'));
      }
      return paths.toSorted();
    },
  };
}
