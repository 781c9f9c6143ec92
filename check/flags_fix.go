package check

import "errors"

// Ways to clear the flags of the header that keep writers away.

// clearDirty returns the fix that clears the dirty flag of an image whose
// refcounts are right: the next writer would take clusters that are in use
// otherwise. Leaks are no hindrance.
func clearDirty() Fix {
	f := setFields("clear", "clear the dirty flag", "dirty", "off")
	clear := f.mend
	f.stage = stageFlags
	f.mend = func(m *mender) error {
		r, err := m.check()
		switch {
		case err != nil:
			return err
		case !r.refcountsVerified():
			return errRefcountsFirst
		}
		return clear(m)
	}
	return f
}

var errRefcountsFirst = errors.New("the dirty flag is cleared only when the refcounts are verified: mend those first")

// clearCorrupt returns the fixes that clear the corrupt flag: when no error is
// left, and by a person's word.
func clearCorrupt() []Fix {
	anyway := setFields("clear-anyway", "clear the corrupt flag, whatever caused it", "corrupt", "off")
	anyway.stage = stageFlags
	clear := anyway.mend
	safe := Fix{Name: "clear", Title: "clear the corrupt flag", stage: stageFlags, mend: func(m *mender) error {
		if err := m.without(func(f *Finding) bool { return f.Kind.Severity == Error && f.Kind != kindCorrupt }); err != nil {
			return err
		}
		return clear(m)
	}}
	return []Fix{safe, asked("the warning: writers do not stop at what was found any more", anyway)}
}
