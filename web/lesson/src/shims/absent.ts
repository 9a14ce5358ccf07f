// In place of Node's files and paths: the lesson has no file tier and reads no machine.

function absent(): never {
  throw new Error('there are no files in a browser');
}

export const constants = {};
export const mkdir = absent;
export const open = absent;
export const readdir = absent;
export const rename = absent;
export const rm = absent;
export const stat = absent;
export const link = absent;
export const readFile = absent;
export const writeFile = absent;
export const readdirSync = absent;
export const readFileSync = absent;
export const dirname = absent;
export const join = absent;
