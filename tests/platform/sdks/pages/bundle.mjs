// node pages/bundle.mjs: makes one script of each page and what it imports.
import { build } from 'esbuild'

await build({
  entryPoints: ['pages/segment.mjs', 'pages/rudder.mjs'],
  outdir: 'bundled',
  bundle: true,
  format: 'esm',
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'error',
})
