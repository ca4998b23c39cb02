export interface KeyRow {
  id: string;
  platform_id: string;
  tenant_id: string;
  user_id: string;
  /** The position of the event that issued the key: the order of lists. */
  sequence: number;
  key_hash: string;
  key_prefix: string;
  /** JSON list. */
  scopes: string;
  /** The name, sealed; null once the keyring is closed. */
  personal: string | null;
  /** 0 or 1. */
  revoked: number;
  created_at: string;
  expires_at: string | null;
}

export interface KeyTables {
  keys: KeyRow;
}
