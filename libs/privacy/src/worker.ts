// What a thread that writes or reads the key store needs: nothing here loads Nest.

export { blindIndex } from './blind-index.js';
export { KeyFile } from './key-file.js';
export { KeyReader } from './key-reader.js';
export { keyLabel, MasterKey } from './master-key.js';
export { PersonalDataCodec } from './personal-data-codec.js';
export { Sealer } from './sealer.js';
export type { IdentifierWrite } from './sqlite-identifiers.js';
export { SubjectKeyReader } from './subject-key-reader.js';
