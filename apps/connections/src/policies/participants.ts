export const CONSUMER_GROUP = 'connections';

/** Tells whose handlers this service's bus server runs. */
export const CONNECTIONS = Symbol(CONSUMER_GROUP);
