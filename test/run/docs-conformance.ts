/** `npm run docs:conformance` */
import { writeFileSync } from 'node:fs';
import { DOCUMENT, document } from '../tidy/conformance/document.ts';

writeFileSync(DOCUMENT, document());
