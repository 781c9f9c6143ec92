package check

// Fix is one way to mend a finding.
type Fix struct {
	Name  string // in a word, the same wherever the same is done: "unallocate", "raise"
	Title string // what it does: "unallocate l1[3].l2[17]"
	Loses string // what the guest or the examiner gives up by it, "" for nothing
	// Choice marks a fix that is taken only where a person asks for it by name:
	// one of several that a machine cannot choose from, or one that loses.
	Choice bool

	stage stage
	mend  func(*mender) error
}

// stage is when a fix is done among others: what is counted comes before the
// counts, and what follows from them after.
type stage uint8

// The stages, in their order.
const (
	stageEntries stage = iota // of tables, of the header, of lists
	stageOverlaps
	stageRefcountTable
	stageRefcounts
	stageCopied
	stageFlags // that say that all is well
	stageLeaks // freed last, when nothing else is wrong
	stages
)

// Mending is a finding with the fix that is taken for it.
type Mending struct {
	Finding *Finding
	Fix     *Fix
}

// Default returns the fix that is taken where nobody is asked, nil where a
// person has to choose, or there is none.
func (f *Finding) Default() *Fix {
	if len(f.Fixes) > 0 && !f.Fixes[0].Choice {
		return &f.Fixes[0]
	}
	return nil
}

// Fix returns the fix of a name, nil where there is none.
func (f *Finding) Fix(name string) *Fix {
	for i := range f.Fixes {
		if f.Fixes[i].Name == name {
			return &f.Fixes[i]
		}
	}
	return nil
}
