/**
 * Units as devices write them -> symbols of the SenML registry (RFC 8428 §12.1, RFC 8798 §3). A
 * symbol is chosen only where no number would have to change; any other unit stays as it is.
 */
import type { Reading } from "../event.ts";
import { unitCharactersMax } from "../event.ts";

const primary =
  "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 " +
  "m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min " +
  "beats S/m B VA VAs var vars J/m kg/m3 deg NTU";
const secondary =
  "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 " +
  "mm/h m/h ppm /100 /1000 hPa mm cm km km/h ppb ppt VAh mg/l ug/l g/l";

const symbols = new Set(`${primary} ${secondary}`.split(" "));

/** What devices of many families write instead. */
const written: Readonly<Record<string, string>> = {
  "°C": "Cel",
  "℃": "Cel",
  degC: "Cel",
  "deg C": "Cel",
  "degree Celsius": "Cel",
  "degrees Celsius": "Cel",
  celsius: "Cel",
  Celsius: "Cel",
  "°": "deg",
  º: "deg",
  degrees: "deg",
  percent: "%",
  "%rH": "%RH",
  "% RH": "%RH",
  rh: "%RH",
  Ω: "Ohm",
  ohm: "Ohm",
  ohms: "Ohm",
  Ohms: "Ohm",
  "µg/m³": "ug/m3",
  "μg/m³": "ug/m3",
  "µg/m3": "ug/m3",
  "ug/m³": "ug/m3",
  "μg/m3": "ug/m3",
  "m³": "m3",
  "m²": "m2",
  "m/s²": "m/s2",
  "m/s^2": "m/s2",
  "m³/s": "m3/s",
  "W/m²": "W/m2",
  "W/m^2": "W/m2",
  "kg/m³": "kg/m3",
  L: "l",
  "L/s": "l/s",
  "mg/L": "mg/l",
  lux: "lx",
  Lux: "lx",
  Lx: "lx",
  mbar: "hPa",
  VAr: "var",
  VAR: "var",
  kVAr: "kvar",
  kVAR: "kvar",
  VArh: "varh",
  kVArh: "kvarh",
  volt: "V",
  volts: "V",
  Volt: "V",
  watt: "W",
  watts: "W",
  Watt: "W",
  amps: "A",
  ampere: "A",
  kwh: "kWh",
  KWh: "kWh",
  wh: "Wh",
  hz: "Hz",
  sec: "s",
  seconds: "s",
  minutes: "min",
  bytes: "B",
  kph: "km/h",
  rpm: "1/min",
  bpm: "beat/min",
};

/** A table of own names only: a device may write `constructor`. */
const symbolByWritten = new Map(Object.entries(written));

/** Sets the unit, and what the device wrote where that is another. */
export function withUnit(reading: Reading, written: string, meant = written): void {
  if (written === "" || written.length > unitCharactersMax) return;
  reading.unit = symbols.has(meant) ? meant : (symbolByWritten.get(meant) ?? meant);
  if (reading.unit !== written) reading.unitOriginal = written;
}

/** Where a family says that it is a temperature; the letters alone are coulomb and farad. */
export function scaleOf(letter: string): string {
  return letter === "C" ? "°C" : letter === "F" ? "°F" : letter;
}
