import type { Section } from '../state/unit-state.ts';
import { isReservationType, type ReservationType } from './reservation-type.ts';
import type { PortPair } from './reservations.ts';

/** Registrations and the reservation as they are kept while APTPL is 1 (SPC-4 5.13.5). */
export interface KeptReservations {
  readonly registrations: readonly KeptRegistration[];
  readonly type?: ReservationType;
  /** Index of the holder's registration; absent when there is no reservation, or all registrants hold it. */
  readonly holder?: number;
}

export interface KeptRegistration extends PortPair {
  /** 16 hex digits. */
  readonly key: string;
}

function requireThat(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

/** The section of a unit's state; it is there while APTPL is 1, without registrations too. */
export const RESERVATIONS: Section<KeptReservations> = {
  name: 'reservations',
  parse(body) {
    requireThat(typeof body === 'object' && body !== null, 'there is no table');
    const { registrations, type, holder } = body as Partial<Record<keyof KeptReservations, unknown>>;
    requireThat(Array.isArray(registrations), 'there is no list of registrations');
    for (const one of registrations as Partial<Record<keyof KeptRegistration, unknown>>[]) {
      requireThat(
        typeof one.initiatorName === 'string' &&
          typeof one.isid === 'string' &&
          Number.isInteger(one.relativePort) &&
          typeof one.key === 'string' &&
          /^[0-9a-f]{16}$/.test(one.key),
        'a registration is not one',
      );
    }
    requireThat(
      type === undefined || (typeof type === 'number' && isReservationType(type)),
      `there is no type ${String(type)}`,
    );
    requireThat(
      holder === undefined || (registrations as unknown[])[Number(holder)] !== undefined,
      'the holder is not registered',
    );
    return body as KeptReservations;
  },
};

export const keyText = (key: bigint): string => key.toString(16).padStart(16, '0');
