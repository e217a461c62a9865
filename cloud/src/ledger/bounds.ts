/** What one gateway's ledger may cost, in every commit and in all. */
export interface LedgerBounds {
  /** Epochs that a mark names; beyond it those that nothing happened to for longest go to pages. */
  readonly markRowsMax: number;
  /** The same where all of them owe something. */
  readonly owedRowsMax: number;
  /** Stretches that a mark holds; beyond it the oldest go to pages. */
  readonly stretchesMax: number;
  readonly pageBytesMax: number;
  /** Some 500 epochs each; beyond it the oldest is forgotten, and an alert tells of it. */
  readonly pagesMax: number;
}

export const defaultLedgerBounds: LedgerBounds = {
  markRowsMax: 32,
  owedRowsMax: 128,
  stretchesMax: 100,
  pageBytesMax: 16 * 1_024,
  pagesMax: 200,
};
