/** The part of a pino logger that the rooms use; any object of this shape will do. */
export interface Log {
  error(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  info(facts: object, message: string): void;
  debug(facts: object, message: string): void;
}

const nothing = (): void => {};

export const silent: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
