// What tests look for in a page that is drawn: put into the page as one script, it answers through `octavoLooks`.

import { textProblems } from './texts.ts';
import { latinWords } from './words.ts';

declare global {
  var octavoLooks: { textProblems(): string[]; latinWords(): string[] };
}

globalThis.octavoLooks = { textProblems, latinWords };
