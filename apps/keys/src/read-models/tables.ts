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
  /** When the grace of a rotated key is over; null for one that was not rotated. */
  ends_at: string | null;
}

/** When a key was last valid. It is no part of the log, and so of no projection. */
export interface KeyUseRow {
  key_id: string;
  user_id: string;
  last_used_at: string;
}

export interface KeyTables {
  keys: KeyRow;
  key_uses: KeyUseRow;
}
