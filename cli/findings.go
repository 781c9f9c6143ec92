package cli

import (
	"fmt"
	"io"

	"qedit/check"
)

// findingsIntro says how the list of findings is to be read.
const findingsIntro = "An error is or leads to lost or wrong data, or keeps the image from being opened; a leak is space that nothing uses; a warning " +
	"breaks no data but a rule, or hides damage; a note is worth knowing. The id of a finding is that of its kind and its place: " +
	"l2-unaligned@l1[0].l2[3]. Where nothing is said of fixes there always is one; which there are, check says of each finding."

// noFixText says why a kind has no fix, or not always; "" where there always is
// one.
func noFixText(k *check.Kind) string {
	if k.NoFix == "" {
		return ""
	}
	return "Where there is no fix: " + k.NoFix
}

// findingsText explains the kinds of findings.
func findingsText(w io.Writer) {
	fmt.Fprint(w, "FINDINGS\n")
	wrap(w, "of check, by their ids. "+findingsIntro, 2)
	for _, k := range check.Kinds() {
		fmt.Fprintf(w, "\n  %s\n", k.ID)
		wrap(w, fmt.Sprintf("%s: %s.", k.Severity, k.Title), textIndent)
		wrap(w, k.Means, textIndent)
		wrap(w, "QEMU "+k.QEMU+".", textIndent)
		wrap(w, noFixText(k), textIndent)
	}
}
