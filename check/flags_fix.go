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

// corruptMeans reports whether a finding is one that the corrupt flag may mean: an error,
// or what is left of tables and of data that were lost. Of what was lost with a
// table its leaked clusters tell.
func corruptMeans(f *Finding) bool {
	switch f.Kind {
	case kindCorrupt:
		return false
	case kindL1Flag, kindL1Erased, kindL2Erased, kindL2Cut:
		return true
	}
	return f.Kind.Severity == Error || f.Kind.Severity == Leak
}

var errDoubtful = errors.New("some tables could not be read where they should be: what is wrong there is not known")

// clearCorrupt returns the fixes that clear the corrupt flag: when nothing is left
// that it could mean, and by a person's word.
func clearCorrupt() []Fix {
	anyway := setFields("clear-anyway", "clear the corrupt flag, whatever caused it", "corrupt", "off")
	anyway.stage = stageFlags
	clear := anyway.mend
	safe := Fix{Name: "clear", Title: "clear the corrupt flag", stage: stageFlags, mend: func(m *mender) error {
		if err := m.without(corruptMeans); err != nil {
			return err
		}
		if m.result.doubtful() {
			return errDoubtful
		}
		return clear(m)
	}}
	return []Fix{safe, asked("the warning: writers do not stop at what was found any more", anyway)}
}
