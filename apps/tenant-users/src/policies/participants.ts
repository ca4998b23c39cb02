/** The services that hold something for users and must confirm that they let go of it. */
export const PARTICIPANTS = ['keys', 'budgets', 'connections', 'vault'] as const;

/** The consumer group of this service, and whose handlers its bus server runs. */
export const TENANT_USERS = Symbol('tenant-users');
