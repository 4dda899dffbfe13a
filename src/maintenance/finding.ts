/** What a check finds, and what becomes of it. */
import type { Site } from "./site.ts";

/** The kinds of findings; `--json` names them. */
export type FindingKind =
  | "damaged_document"
  | "missing_unique_key"
  | "contested_unique_key"
  | "stray_unique_key"
  | "stray_piece"
  | "missing_file"
  | "damaged_file"
  | "stray_file"
  | "unfinished_write"
  | "wrong_index";

/** Something that is not as it should be. */
export interface Finding {
  kind: FindingKind;
  /** The id of a document, the key of a file, the name of what else it is about. */
  subject: string;
  /** What is wrong, as a sentence without its subject's name and its full stop. */
  problem: string;
  /** What `--repair` does about it, to complete "--repair …". */
  remedy: string;
  /**
   * Does that. `false` if it is not so any more, for whatever reason: the next check tells. Without it nothing can be done but
   * by a person.
   *
   * @param site held, so that no server of this machine is at work
   */
  mend?: (site: Site) => Promise<boolean>;
}

/** What is told of a check on its way. */
export interface CheckProgress {
  /** So many documents have been looked at. */
  documents: (count: number) => void;
  /** So many bytes of files have been read. */
  bytes: (count: number) => void;
}

/** How a check is made. */
export interface CheckOptions {
  /** Whether every file is read and its checksum compared. */
  readsFiles: boolean;
  /** Whether documents lose files that are missing even if most are. */
  isForced: boolean;
  progress: CheckProgress;
  signal?: AbortSignal;
}

/** How much there is; counted by a check. */
export interface Extent {
  documents: number;
  files: number;
  fileBytes: number;
  /** Entries of the journal: uploads and deletions under way, or left by a crash for the server's sweeper. */
  pending: number;
  /** Resumable uploads, ended ones that can be asked about included. */
  uploads: number;
}
