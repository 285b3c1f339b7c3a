/** Has the target copy a LUN onto another, again and again, until it is stopped. */
import { copyUrls } from '../lib/initiator/url-copy.ts';

const [from = '', to = ''] = process.argv.slice(2);
const { signal } = new AbortController();
let copying = false;
const begin = (): Promise<{ update(): void; done(): void }> => {
  if (!copying) console.log('copying');
  copying = true;
  return Promise.resolve({ update: () => {}, done: () => {} });
};
for (;;) await copyUrls(from, to, {}, { signal, begin });
