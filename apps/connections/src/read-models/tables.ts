export interface SecretRow {
  user_id: string;
  /** HMAC of (user, name). */
  name_index: string;
  tenant_id: string;
  /** The position of the event that made the secret: the order of lists, which replacing does not change. */
  sequence: number;
  /** Name and value, sealed for the vault's stream. */
  sealed: string;
  version: number;
  created_at: string;
  updated_at: string;
}

export interface VaultTables {
  secrets: SecretRow;
}
