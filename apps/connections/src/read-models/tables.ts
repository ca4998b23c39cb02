import type { ProviderKind } from '../domain/provider.js';

export interface SecretRow {
  user_id: string;
  /** The secret's id. */
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

export interface ProviderRow {
  id: string;
  platform_id: string;
  name: string;
  sequence: number;
  /** JSON: all but the secret, and whether there is one. */
  settings: string;
  created_at: string;
  updated_at: string;
}

/** Holds no token, not even a sealed one. */
export interface ConnectionRow {
  id: string;
  user_id: string;
  tenant_id: string;
  sequence: number;
  provider: string;
  kind: ProviderKind;
  status: 'pending' | 'active' | 'needs_reconnect' | 'failed';
  reason: string | null;
  /** JSON. */
  scopes: string;
  /** JSON. */
  mcp: string | null;
  /** Of the consent that is awaited. */
  expires_at: string;
  created_at: string;
  updated_at: string;
}

export interface ConnectionTables {
  providers: ProviderRow;
  connections: ConnectionRow;
}
