export { after } from '../bytes/maybe-promise.ts';
