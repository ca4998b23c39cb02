/** What a participant lets go of, counted by kind. */
export type Removed = { [kind: string]: number };

/** Whose holdings are asked for. */
export interface Holder {
  platform_id: string;
  tenant_id: string;
  user_id: string;
}
