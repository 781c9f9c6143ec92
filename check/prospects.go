package check

// Prospects says what can be done about the findings that a check has kept.
type Prospects struct {
	Alone uint64 // findings that Repair mends without a choice
	Asked uint64 // that have a fix, but need a choice, or follow from one that does
	None  uint64 // first causes without a fix
}

// Prospects counts the findings by what Repair would do about them. What follows
// from another finding waits until that is mended, as it does in Repair.
func (r *Result) Prospects() Prospects {
	byID := make(map[string]*Finding, len(r.Findings))
	for i := range r.Findings {
		byID[r.Findings[i].ID()] = &r.Findings[i]
	}
	waits := func(f *Finding) bool {
		for range byID { // a chain is no longer than that
			cause := byID[f.Cause]
			switch {
			case cause == nil || !misread(f.Cause):
				return false
			case cause.Default() == nil:
				return true
			}
			f = cause
		}
		return true
	}
	var p Prospects
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Default() != nil && !waits(f):
			p.Alone++
		case len(f.Fixes) > 0:
			p.Asked++
		case f.Cause == "":
			p.None++
		}
	}
	return p
}
