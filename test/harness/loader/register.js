/** What tap starts tests with: TypeScript by esbuild, which takes a tenth of the time that a compiler takes. */
import { register } from 'node:module';

register('./hooks.js', import.meta.url);
