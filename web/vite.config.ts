// Builds the page into web/dist, as plain files that the server hands out.

import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // light-dark() is written as it stands.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: false,
    assetsInlineLimit: 0,
  },
  // For `npx vite web` beside a running server.
  server: { proxy: { '/v1': 'http://127.0.0.1:8000', '/metrics': 'http://127.0.0.1:8000' } },
});
