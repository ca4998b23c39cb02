/** What the bus logs through; Nest's `Logger` fits. Entries hold ids, types and codes, never personal data. */
export interface BusLogger {
  warn(entry: object): void;
  error(entry: object): void;
}

/** Where an error was thrown, without its message: that may repeat what was being handled. */
export const framesOf = (error: unknown): string[] =>
  error instanceof Error
    ? (error.stack ?? '')
        .split('\n')
        .filter((line) => line.startsWith('    at '))
        .slice(0, 5)
        .map((line) => line.trim())
    : [];
