// Builds the desk into built/: a script with a name of its own, and what it loads later.
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    outDir: "built",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rollupOptions: {
      input: "src/desk.ts",
      output: { entryFileNames: "[name].js", chunkFileNames: "[name].js" },
    },
  },
});
