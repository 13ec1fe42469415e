/** The part of a logger that activities and the loops beside them need; pino has it. Fields hold no secret and no personal data. */
export interface ActivityLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
