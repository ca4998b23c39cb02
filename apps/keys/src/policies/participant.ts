/** The name that this service confirms deletions under. */
export const PARTICIPANT = 'keys';

/** Tells whose handlers this service's bus server runs. */
export const KEYS = Symbol(PARTICIPANT);
