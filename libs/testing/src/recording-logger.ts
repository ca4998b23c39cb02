export interface LogEntry {
  level: 'info' | 'warn' | 'error';
  message: string;
  fields: object;
}

/** A logger that keeps what it is told, so that a test can look at it and nothing is printed. */
export class RecordingLogger {
  readonly entries: LogEntry[] = [];

  info(fields: object, message: string): void {
    this.entries.push({ level: 'info', message, fields });
  }

  warn(fields: object, message: string): void {
    this.entries.push({ level: 'warn', message, fields });
  }

  error(fields: object, message: string): void {
    this.entries.push({ level: 'error', message, fields });
  }
}
