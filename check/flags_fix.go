package check

import "strings"

// Ways to clear the flags of the header that keep writers away.

// clearDirty returns the fix that clears the dirty flag of an image whose
// refcounts are right. Clearing it alone would have the next writer take
// clusters that are in use.
func clearDirty() Fix {
	f := setFields("clear", "clear the dirty flag", "dirty", "off")
	clear := f.mend
	f.stage = stageFlags
	f.mend = func(m *mender) error {
		if err := m.without((*Finding).spoilsRefcounts); err != nil {
			return err
		}
		return clear(m)
	}
	return f
}

// spoilsRefcounts reports whether a finding keeps refcounts from being right and
// known. A leak does not: a cluster that counts as used is not overwritten.
func (f *Finding) spoilsRefcounts() bool {
	return f.Kind.Severity == Error && (strings.HasPrefix(f.Kind.ID, "refcount") || f.Kind == kindUnreadable)
}

// clearCorrupt returns the fixes that clear the corrupt flag: when no error is
// left, and by a person's word.
func clearCorrupt() []Fix {
	anyway := setFields("clear-anyway", "clear the corrupt flag, whatever caused it", "corrupt", "off")
	anyway.stage = stageFlags
	clear := anyway.mend
	safe := Fix{Name: "clear", Title: "clear the corrupt flag", stage: stageFlags, mend: func(m *mender) error {
		if err := m.without(func(f *Finding) bool { return f.Kind.Severity == Error }); err != nil {
			return err
		}
		return clear(m)
	}}
	return []Fix{safe, asked("the warning: writers do not stop at what was found any more", anyway)}
}
