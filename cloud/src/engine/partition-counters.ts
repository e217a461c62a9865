/** What the partitions of an engine have done, since it began. */
export interface PartitionCounters {
  messages: number;
  events: number;
  readings: number;
  replayed: number;
  repeats: number;
  doubts: number;
  dead: number;
  transitions: number;
  /** Transitions of rules in shadow. */
  shadowed: number;
  /** Abnormal readings whose alert there was no room for: nobody is told. */
  alertsRefused: number;
  /** Caps that were told for the sake of quotas. */
  slowdowns: number;
  derived: number;
  /** Derived events that one journal message had no room for. */
  derivedRefused: number;
  /** What rules by site were told. */
  siteInputs: number;
  /** What one journal message had no room for. */
  siteInputsRefused: number;
  /** Positions that the journal lost and a mark covers. */
  passed: number;
  /** Journal messages that were gone before they were read. */
  missing: number;
}

export function noCounts(): PartitionCounters {
  return {
    messages: 0,
    events: 0,
    readings: 0,
    replayed: 0,
    repeats: 0,
    doubts: 0,
    dead: 0,
    transitions: 0,
    shadowed: 0,
    alertsRefused: 0,
    slowdowns: 0,
    derived: 0,
    derivedRefused: 0,
    siteInputs: 0,
    siteInputsRefused: 0,
    passed: 0,
    missing: 0,
  };
}
