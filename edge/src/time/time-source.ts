/** What the machine knows of the time besides its wall clock; system-time-source.ts is the real one. */
export interface TimeSource {
  /** Whether NTP has set the wall clock since the machine booted, as far as the machine tells. */
  isNtpSynchronised(): boolean;
  /** A clock that runs while the machine is off, in ms since 1970; undefined where there is none. */
  hardwareMs(): number | undefined;
}
