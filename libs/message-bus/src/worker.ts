// What a thread that writes the bus's file needs: nothing here loads Nest.
export { MessageFile, type MessageRow } from './embedded/message-file.js';
