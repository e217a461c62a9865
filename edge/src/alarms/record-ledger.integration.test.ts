import { levelPlace } from "../testing/level-place.ts";
import { ledgerContract } from "./ledger.contract.ts";

ledgerContract("LevelDB", levelPlace);
