/** What there is that is unique in a scope. */
export type IdentifierKind = 'user.external_id' | 'user.username' | 'tenant.external_id' | 'account.email';

/** A value that at most one holder may have at a time: its kind in its scope, such as a username in a tenant. */
export interface Identifier {
  kind: IdentifierKind;
  /** The id of the tenant or the platform. */
  scope: string;
  value: string;
}
