// Builds the lesson into web/dist/lesson: one script and one style sheet beside the page, which also opens from a folder, without a server.

import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const shim = (name: string): string => fileURLToPath(new URL(`src/shims/${name}.ts`, import.meta.url));

/** Browsers load no modules from files, so the script is a classic one, run when the page is there. */
function classicScript(): Plugin {
  return {
    name: 'classic-script',
    transformIndexHtml: {
      order: 'post',
      handler: (html) =>
        html
          .replace(/<script type="module" crossorigin/g, '<script defer')
          .replace(/<link rel="stylesheet" crossorigin/g, '<link rel="stylesheet"'),
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  // What the memory manager and the scheduler take from Node.
  resolve: {
    alias: [
      { find: 'node:crypto', replacement: shim('crypto') },
      { find: /^node:(fs|fs\/promises|path)$/, replacement: shim('absent') },
    ],
  },
  plugins: [classicScript()],
  build: {
    outDir: fileURLToPath(new URL('../dist/lesson', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    rolldownOptions: { output: { format: 'iife' } },
  },
});
