import { FINDING_TEXT, LISTED_FINDINGS, type InspectionStatus } from '../api/v1alpha1/inspection.ts';
import type { Finding, Report } from './report.ts';

/** What a status says of a report: the first findings, each shortened. */
export function summaryOf(report: Report, platform: string): InspectionStatus {
  const { size, layers, wastedBytes, efficiency, findings } = report;
  return withFindings(
    { platform, size, layers: layers.length, wastedBytes, efficiency: efficiency.toFixed(3), findings: [] },
    findings.map(shortened),
    LISTED_FINDINGS,
  );
}

/** A summary with no more than so many bytes as JSON, by leaving out the last findings; undefined where none fits. */
export function fitted(summary: InspectionStatus, bytes: number): InspectionStatus | undefined {
  for (let listed = summary.findings.length; listed >= 0; listed -= 1) {
    const shorter = withFindings(summary, summary.findings, listed);
    if (Buffer.byteLength(JSON.stringify(shorter)) <= bytes) {
      return shorter;
    }
  }
  return undefined;
}

function withFindings(
  summary: InspectionStatus,
  findings: InspectionStatus['findings'],
  listed: number,
): InspectionStatus {
  const { moreFindings = 0, ...rest } = summary;
  const more = moreFindings + Math.max(0, findings.length - listed);
  return { ...rest, findings: findings.slice(0, listed), ...(more === 0 ? {} : { moreFindings: more }) };
}

function shortened({ message, command, ...finding }: Finding): InspectionStatus['findings'][number] {
  return {
    ...finding,
    message: cut(message, FINDING_TEXT.message),
    ...(command === undefined ? {} : { command: cut(command, FINDING_TEXT.command) }),
  };
}

/** At most so many UTF-16 units, none of them half a character. */
function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
