import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  worker: { format: "es" },
  // `npx vite` serves the sources, and passes the relay of a running `make run` on.
  server: { proxy: { "/byre": { target: "http://localhost:8080", ws: true, headers: { origin: "http://localhost:8080" } } } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy knows no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      // The core is a file of its own, so that tests drive the one that the page runs.
      input: { index: "index.html", core: "src/core/core.ts" },
      preserveEntrySignatures: "strict",
    },
  },
});
