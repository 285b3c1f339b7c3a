import type { Connection } from './connection.ts';
import { sendTargets } from './discovery.ts';
import { ProtocolViolation } from './errors.ts';
import { RECEIVE_SEGMENT_BYTES } from './limits.ts';
import { KEYS, TOLD_KEYS, defaults, isSecurityKey, negotiate } from './login/keys.ts';
import { type Pair, formatText, parseText } from './login/text.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';
import { RejectReason } from './pdu/reject.ts';
import { textRequest, textResponse } from './pdu/text.ts';

/**
 * Text requests of full feature phase (RFC 7143 11.10): SendTargets, and keys that may be declared again. Requests and
 * responses longer than a PDU go in pieces, held together by the target transfer tag.
 */
export class TextExchange {
  readonly #connection: Connection;
  #request: Buffer[] = [];
  #requestBytes = 0;
  /** What is left of a response, and the tag by which the initiator asks for it. */
  #rest: Buffer | undefined;
  #tag = NO_TAG;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  request(header: Buffer, data: Buffer): void {
    const tag = textRequest.targetTransferTag.get(header);
    if (tag !== NO_TAG && tag !== this.#tag) {
      this.#reset();
      throw new ProtocolViolation('text with a tag that was not given', RejectReason.PROTOCOL_ERROR);
    }
    if (tag === NO_TAG) this.#reset(); // a new exchange ends the old one (RFC 7143 11.10.4)
    if (this.#rest !== undefined) {
      this.#respond(header, this.#rest);
      return;
    }
    this.#requestBytes += data.length;
    if (this.#requestBytes > this.#connection.node.limits.textBytes) {
      this.#reset();
      throw new ProtocolViolation('text too long', RejectReason.PROTOCOL_ERROR);
    }
    this.#request.push(Buffer.from(data));
    if (textRequest.continue.get(header)) {
      if (textRequest.final.get(header)) {
        this.#reset();
        throw new ProtocolViolation('F and C are both set', RejectReason.PROTOCOL_ERROR);
      }
      this.#tag = this.#connection.session!.newTransferTag();
      this.#send(header, Buffer.alloc(0), false, false);
      return;
    }
    const pairs = parseText(Buffer.concat(this.#request));
    this.#request = [];
    this.#requestBytes = 0;
    if (pairs === undefined) {
      this.#reset();
      throw new ProtocolViolation('text is not key=value', RejectReason.PROTOCOL_ERROR);
    }
    this.#respond(header, formatText(this.#answers(pairs)));
  }

  #reset(): void {
    this.#request = [];
    this.#requestBytes = 0;
    this.#rest = undefined;
    this.#tag = NO_TAG;
  }

  #answers(pairs: readonly Pair[]): Pair[] {
    const connection = this.#connection;
    const answers: Pair[] = [];
    const seen = new Set<string>();
    for (const { key, value } of pairs) {
      // RFC 7143 6.2: nothing is offered or told twice in a negotiation.
      if (seen.has(key)) throw new ProtocolViolation(`${key} is there twice`, RejectReason.PROTOCOL_ERROR);
      seen.add(key);
      if (key === 'SendTargets') {
        answers.push(...sendTargets(connection, value));
        continue;
      }
      const told = TOLD_KEYS.get(key);
      if (told !== undefined || isSecurityKey(key)) {
        // An InitiatorAlias may be told again; the others have had their time, or are ours to tell.
        if (told?.use !== 'ALL' || told.from !== 'initiator') answers.push({ key, value: 'Reject' });
        continue;
      }
      const row = KEYS.get(key);
      if (row === undefined) answers.push({ key, value: 'NotUnderstood' });
      else if (row.use !== 'ALL')
        answers.push({ key, value: 'Reject' }); // RFC 7143 13: login only
      else {
        const heard = { ...connection.parameters };
        const answer = negotiate(row, value, defaults(), heard);
        if (answer !== undefined) answers.push({ key, value: answer });
        else {
          connection.peerSegmentBytes = heard.maxRecvDataSegmentLength;
          answers.push({ key, value: String(RECEIVE_SEGMENT_BYTES) });
        }
      }
    }
    return answers;
  }

  #respond(header: Buffer, text: Buffer): void {
    const most = this.#connection.peerSegmentBytes;
    if (text.length > most) {
      this.#rest = text.subarray(most);
      this.#tag = this.#connection.session!.newTransferTag();
      this.#send(header, text.subarray(0, most), false, true);
      return;
    }
    // RFC 7143 11.11.1: F answers F; an exchange that the initiator has not ended stays open.
    const final = textRequest.final.get(header);
    this.#reset();
    if (!final) this.#tag = this.#connection.session!.newTransferTag();
    this.#send(header, text, final, false);
  }

  #send(request: Buffer, data: Buffer, final: boolean, more: boolean): void {
    const connection = this.#connection;
    const reply = connection.outbox.header();
    reply[0] = Opcode.TEXT_RESPONSE;
    textResponse.final.set(reply, final);
    textResponse.continue.set(reply, more);
    textResponse.lun.set(reply, textRequest.lun.get(request));
    textResponse.initiatorTaskTag.set(reply, textRequest.initiatorTaskTag.get(request));
    textResponse.targetTransferTag.set(reply, final ? NO_TAG : this.#tag);
    connection.stamp(reply);
    connection.reply(reply, data.length > 0 ? data : undefined);
  }
}
