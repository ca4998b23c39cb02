/** A statement as it goes to another thread. */
export interface PlainQuery {
  sql: string;
  parameters: readonly unknown[];
}
