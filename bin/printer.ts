const PIECE_LENGTH = 64 * 1024;

/** Standard output for much text: no more of it is kept than a reader has asked for. */
export class Printer {
  #text = '';

  /** A promise when the reader is to be waited for. */
  print(text: string): Promise<void> | undefined {
    this.#text += text;
    return this.#text.length < PIECE_LENGTH ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    const { stdout } = process;
    // Nobody reads on, as behind `| head -1`.
    if (stdout.destroyed || text === '') return;
    if (stdout.write(text)) return;
    await new Promise<void>(resolve => {
      const goOn = (): void => {
        stdout.off('drain', goOn);
        stdout.off('close', goOn);
        resolve();
      };
      stdout.on('drain', goOn);
      stdout.on('close', goOn);
    });
  }
}
