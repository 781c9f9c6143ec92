package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"qedit/header"
	structures "qedit/image"
	"qedit/tui/grid"
)

// guestView is the hex pane as it shows the virtual disk.
type guestView struct {
	on       bool
	snapshot int    // whose disk, Active for the active one
	name     string // of the snapshot
	size     uint64 // of the disk, bytes
	at       structures.GuestOffset
	host     header.HostOffset // where the cursor was put for it
	astray   bool              // the byte is not stored in the file: the cursor there is elsewhere

	// rows is where bytes stand; its offsets are those of the disk.
	rows   hexPane
	stored []storedRow
	unread []bool
	pages  guestPages
}

// storedRow says where the bytes of a row are stored.
type storedRow struct {
	text string
	ink  grid.Ink
}

// storedColumns is what the column of host offsets takes.
const storedColumns = 14

// toggleGuest goes between the file and the virtual disk, to the same byte
// where there is one.
func (m *Model) toggleGuest() tea.Cmd {
	g := &m.guest
	switch {
	case !m.endEditing():
		return nil
	case g.on:
		g.on = false
		m.setFocus(PaneHex)
		m.follow()
		return nil
	}
	m.showGuest(g.snapshot, g.name)
	return nil
}

// showGuest shows the disk of a snapshot, or the active one.
func (m *Model) showGuest(snapshot int, name string) {
	g := &m.guest
	if m.image == nil {
		m.say("no virtual disk: the header gives no size of clusters")
		return
	}
	size, err := m.image.DiskSize(snapshot)
	if err != nil && snapshot != structures.Active {
		snapshot, name = structures.Active, "" // the snapshot is gone
		size, err = m.image.DiskSize(snapshot)
	}
	switch {
	case err != nil:
		m.fail(err)
		return
	case size == 0:
		m.say("the virtual disk has no bytes")
		return
	}
	if snapshot != g.snapshot {
		g.pages.clear()
	}
	mapped, isMapped := m.guestOfEntry()
	before := m.here()
	g.on, g.snapshot, g.name, g.size = true, snapshot, name, size
	g.at = min(g.at, structures.GuestOffset(size-1))
	m.setFocus(PaneHex)
	m.hex.selecting, g.rows.selecting = false, false
	at, ok := m.guestOf(m.cursor.at)
	if !ok && isMapped && uint64(mapped) < size {
		m.remember(before)
		m.goGuest(mapped)
		return
	}
	if ok {
		g.at, g.host, g.astray = at, m.cursor.at, false
		m.follow()
		return
	}
	if name := dataFileName(m.area().Header); name != "" && m.others.data == nil {
		m.say("the guest's clusters are in the data file " + grid.Cut(name, maxTitle) + "; " + m.keyOf("open the data file"))
	} else {
		m.say("the byte at " + m.cursor.at.String() + " is not on this disk; " + m.keyOf("back") + " goes back to it")
	}
	m.remember(before)
	m.goGuest(g.at)
}

// guestOfEntry returns the first byte of the disk that the selected table entry
// maps, or which one a byte is kept for that the guest does not read.
func (m *Model) guestOfEntry() (structures.GuestOffset, bool) {
	s := m.look()
	switch {
	case s.known && s.inTable:
		at, _, ok := m.image.GuestSpan(&s.entry)
		return at, ok
	case s.known && s.loc.HasOwner && s.loc.Unread != "":
		return m.image.ToGuest(&s.loc.Owner, s.loc.Host)
	}
	return 0, false
}

// guestOf returns which byte of the disk that is shown a byte of the file is.
func (m *Model) guestOf(host header.HostOffset) (structures.GuestOffset, bool) {
	l := m.image.Locate(host)
	if !l.HasGuest || uint64(l.Guest) >= m.guest.size {
		return 0, false
	}
	if l.Snapshot == m.guest.snapshot {
		return l.Guest, true
	}
	c := m.image.Resolve(l.Guest, m.guest.snapshot) // shared
	return l.Guest, c.HasHost && c.Kind == structures.GuestData && c.Host == host
}

// guestEdited brings the view up to date after an edit.
func (m *Model) guestEdited() {
	m.guest.pages.stale()
	m.guestResized()
}

// guestResized brings the length of the disk and the cursor there up to date.
func (m *Model) guestResized() {
	g := &m.guest
	if !g.on {
		return
	}
	size, err := uint64(0), error(nil)
	if m.image != nil {
		size, err = m.image.DiskSize(g.snapshot)
	}
	if g.size = size; size == 0 || err != nil {
		g.on = false
		return
	}
	g.at = min(g.at, structures.GuestOffset(size-1))
	g.host = m.cursor.at // an edit moves no cursor on the disk
}

// followGuest scrolls to the cursor. Where that went to a byte of the file that
// is none of the disk, the file is shown again.
func (m *Model) followGuest() {
	g := &m.guest
	if !g.on {
		return
	}
	if m.cursor.at != g.host {
		at, ok := m.guestOf(m.cursor.at)
		if !ok {
			g.on = false
			return
		}
		g.at, g.host, g.astray = at, m.cursor.at, false
	}
	m.placeGuest()
	g.rows.follow(header.HostOffset(g.at), header.HostOffset(g.size))
}

// placeGuest gives the rows the place of the hex pane.
func (m *Model) placeGuest() {
	h := &m.guest.rows
	h.perRow, h.width, h.height, h.inText = m.hex.perRow, m.hex.width, m.hex.height, m.hex.inText
	h.stored, h.digits = true, max(digitsOf(m.guest.size), m.hex.digits)
}

// goGuest moves to a byte of the disk, and the cursor of the file with it where
// the byte is stored there.
func (m *Model) goGuest(at structures.GuestOffset) {
	g := &m.guest
	g.at = min(at, structures.GuestOffset(g.size-1))
	c := m.image.Resolve(g.at, g.snapshot)
	if g.astray = !m.stores(&c); !g.astray {
		m.arrived(&c)
		m.cursor = m.placeAt(c.Host)
	}
	g.host = m.cursor.at
	m.follow()
}

// astray reports whether the cursor is on a byte of the virtual disk that is not
// stored in the file: then nothing of the file is selected.
func (m *Model) astray() bool { return m.guest.on && m.guest.astray }

// inspectAstray explains a byte of the virtual disk that is not stored.
func (m *Model) inspectAstray() []infoLine {
	g := &m.guest
	lines := []infoLine{line("guest", inkBright, g.at.String()).and(inkDim, "of the virtual disk")}
	c := m.image.Resolve(g.at, g.snapshot)
	lines = append(lines, line("stored", inkText, c.Kind.String()).and(inkDim, "nothing in this file holds it"))
	if run := m.guestRun(); run != nil {
		if text, ink := m.sourceText(run, g.at); text != "" {
			lines = append(lines, line("where", ink, text))
		}
	}
	if c.Problem != "" {
		lines = append(lines, line("problem", inkWrong, header.Harmless(c.Problem)))
	}
	switch {
	case c.HasL2:
		lines = append(lines, line("entry", inkTable, c.L2.Path()).and(inkDim, header.Harmless(m.image.Describe(&c.L2))))
	case !c.L1.Missing:
		lines = append(lines, line("entry", inkTable, c.L1.Path()).and(inkDim, header.Harmless(m.image.Describe(&c.L1))))
	}
	return append(lines, m.inspectBytes()...)
}

// enterGuest goes from a byte of the disk to where it is stored in the file. Of
// one that is not it says where else it is.
func (m *Model) enterGuest() tea.Cmd {
	g := &m.guest
	if !g.astray {
		return m.toggleGuest()
	}
	text := ""
	if run := m.guestRun(); run != nil {
		text, _ = m.sourceText(run, g.at)
	}
	if text == "" {
		c := m.image.Resolve(g.at, g.snapshot)
		m.say("nothing is stored here: " + c.Kind.String())
		return nil
	}
	m.sayWhole("in another file", "guest "+g.at.String()+" is "+text)
	return nil
}

// guestPlace reads a byte of a disk while one is shown, whether it is stored or
// not: guest:10G of the disk that is shown, guest:10G@base of a snapshot. Other
// expressions name bytes of the file: for these it returns false.
func (m *Model) guestPlace(text string) (p diskPlace, ok bool, err error) {
	g := &m.guest
	if !g.on || !strings.HasPrefix(strings.TrimSpace(text), "guest:") || structures.IsRange(text) {
		return diskPlace{}, false, nil
	}
	p = diskPlace{on: true}
	if p.at, p.snapshot, err = m.scope().FindGuest(text, g.snapshot); p.snapshot == g.snapshot {
		p.name = g.name
	} else if s, _ := m.image.Snapshots(); p.snapshot < len(s) && p.snapshot >= 0 {
		p.name = header.Printable(s[p.snapshot].Name)
	}
	return p, true, err
}

// goDiskPlace goes to a byte of a disk, and shows that disk.
func (m *Model) goDiskPlace(p diskPlace) {
	m.remember(m.here())
	m.guest.rows.selecting = false
	if g := &m.guest; p.snapshot != g.snapshot {
		m.showDiskPlace(p)
	}
	if m.guest.on {
		m.goGuest(p.at)
	}
	m.setFocus(PaneHex)
}

// moveGuest moves by bytes, within the disk.
func (m *Model) moveGuest(by int64) {
	m.hex.digit = -1
	at := uint64(m.guest.at)
	if by < 0 {
		at -= min(at, uint64(-by))
	} else {
		at += min(uint64(by), m.guest.size-1-at)
	}
	m.goGuest(structures.GuestOffset(at))
}

// moveGuestRows moves by rows, and stays in the column where there is none to go
// to.
func (m *Model) moveGuestRows(rows int64) {
	per, at := uint64(m.guest.rows.bytesPerRow()), uint64(m.guest.at)
	if rows < 0 {
		m.moveGuest(-int64(min(at/per, uint64(-rows)) * per))
		return
	}
	down := (m.guest.size - 1 - at) / per
	m.moveGuest(int64(min(down, uint64(rows)) * per))
}

// guestRefusal says why bytes at the cursor of the disk cannot be typed over,
// "" where they can: they must be stored plainly, and be no one else's.
func (m *Model) guestRefusal(n int) string {
	g := &m.guest
	if g.snapshot != structures.Active {
		return "a snapshot is not changed; " + m.keyOf("guest view of a snapshot") + " chooses the active disk"
	}
	return m.image.NoRoom(g.at, uint64(n))
}

// mayTypeGuest reports whether bytes can be typed over at the cursor: always in
// the file, and says why not of the disk.
func (m *Model) mayTypeGuest(n int) bool {
	if !m.guest.on {
		return true
	}
	why := m.guestRefusal(n)
	if why == "" && m.guest.host != m.cursor.at {
		why = "the cursor of the file is elsewhere"
	}
	if why != "" {
		m.message = message{"! " + header.Harmless(why), inkWrong}
	}
	return why == ""
}

// guestRule is the rule of the hex pane.
func (m *Model) guestRule() ruleText {
	g := &m.guest
	t := ruleText{"guest", fmt.Sprintf("%v  %d/row  guest", g.at, g.rows.bytesPerRow())}
	if note := m.selectionNote(); note != "" {
		t.right = note
	}
	if name := dataFileName(m.area().Header); name != "" {
		t.title += ", data file " + grid.Cut(name, 24)
		if m.others.data == nil {
			t.title += " not open"
		}
	}
	if g.snapshot != structures.Active {
		t.title += ", snapshot " + grid.Cut(g.name, 24)
	}
	return t
}

// askSnapshot asks whose disk is shown.
func (m *Model) askSnapshot() tea.Cmd {
	if m.image == nil {
		m.say("no snapshots: the header gives no size of clusters")
		return nil
	}
	all, broken := m.image.Snapshots()
	const most = 1000 // that are named
	d := &promptDialog{
		title: "guest view of", input: newInput(m.guest.name), choice: -1, choices: []string{activeDisk},
		hint: "the id or name of a snapshot, or " + activeDisk,
		try: func(m *Model, text string) (string, error) {
			i, err := findSnapshot(all, text)
			switch {
			case err != nil && broken != nil:
				return "", fmt.Errorf("%w; %w", err, broken)
			case err != nil:
				return "", err
			case i == structures.Active:
				return "the disk as it is now", nil
			}
			s := &all[i]
			return fmt.Sprintf("snapshot %s %s, %s", header.Printable(s.ID), header.Printable(s.Name), header.FormatSize(s.DiskSize)), nil
		},
		accept: func(m *Model, text string) tea.Cmd {
			if i, err := findSnapshot(all, text); err == nil {
				name := ""
				if i >= 0 {
					name = header.Printable(all[i].Name)
				}
				if m.guest.on { // the same byte, of another disk
					m.goDiskPlace(diskPlace{true, i, name, m.guest.at})
				} else {
					m.showGuest(i, name)
				}
			}
			return nil
		},
	}
	for _, s := range all[:min(len(all), most)] {
		if name := grid.Cut(header.Printable(s.Name), maxTitle); name != "" && !slices.Contains(d.choices, name) {
			d.choices = append(d.choices, name)
		}
	}
	m.ask(d)
	return nil
}

// activeDisk is what the disk that is no snapshot's is called.
const activeDisk = "active"

// findSnapshot returns the number of the snapshot with the id, or else the name;
// without a text the active disk.
func findSnapshot(all []structures.Snapshot, text string) (int, error) {
	text = strings.TrimSpace(text)
	for _, of := range []func(*structures.Snapshot) string{
		func(s *structures.Snapshot) string { return s.ID },
		func(s *structures.Snapshot) string { return s.Name },
	} {
		for i := range all {
			if name := of(&all[i]); text != "" && (name == text || header.Printable(name) == text) {
				return i, nil
			}
		}
	}
	if text == "" || text == activeDisk {
		return structures.Active, nil
	}
	return 0, fmt.Errorf("no snapshot has the id or name %q; there %s", text, countedAre(len(all)))
}

func countedAre(n int) string {
	if n == 1 {
		return "is 1 snapshot"
	}
	return fmt.Sprintf("are %d snapshots", n)
}

// clickGuest moves to the byte that is clicked; with Shift it selects up to there.
func (m *Model) clickGuest(x, y int, shift bool) {
	o, inText, ok := m.guest.rows.cellAt(x, y)
	if !ok {
		return
	}
	m.hex.inText, m.hex.digit = inText, -1
	move := func() { m.goGuest(structures.GuestOffset(o)) }
	if shift = shift && !m.hex.editing; shift {
		m.extend(move)
	} else {
		m.deselect()
		move()
	}
	m.drag = dragState{true, min(o, header.HostOffset(m.guest.size-1))}
	if shift {
		m.drag.from = m.guest.rows.anchor
	}
}

// inspectUnread says why a byte of the disk that is stored in the file is not
// shown.
func (m *Model) inspectUnread() []infoLine {
	run := m.guestRun()
	if run == nil || !run.Unread {
		return nil
	}
	return []infoLine{line("not shown", inkWrong, header.Harmless(run.Problem))}
}

// diskPlace is where one is on the virtual disk while that is shown.
type diskPlace struct {
	on       bool
	snapshot int
	name     string
	at       structures.GuestOffset
}

func (m *Model) diskPlace() diskPlace {
	if g := &m.guest; g.on {
		return diskPlace{true, g.snapshot, g.name, g.at}
	}
	return diskPlace{}
}

// showDiskPlace shows the disk again as it was at a place, or the file. The
// cursor of the file is where it was then.
func (m *Model) showDiskPlace(p diskPlace) {
	g := &m.guest
	if g.on = false; !p.on || m.image == nil {
		return
	}
	size, err := m.image.DiskSize(p.snapshot)
	if err != nil || size == 0 {
		return
	}
	if p.snapshot != g.snapshot {
		g.pages.clear()
	}
	g.on, g.snapshot, g.name, g.size, g.rows.selecting = true, p.snapshot, p.name, size, false
	g.at, g.host = min(p.at, structures.GuestOffset(size-1)), m.cursor.at
	c := m.image.Resolve(g.at, g.snapshot)
	g.astray = !m.stores(&c)
	m.setFocus(PaneHex)
}

// stores reports whether the file holds what a chain leads to.
func (m *Model) stores(c *structures.Chain) bool {
	return c.HasHost && (c.Kind == structures.GuestData || c.Kind == structures.GuestCompressed) && uint64(c.Host) < uint64(m.session.Size())
}

// nextStored goes to the next cluster of the disk whose entry is not empty, or to
// the one before.
func (m *Model) nextStored(forward bool) {
	g, cs := &m.guest, m.image.ClusterSize()
	first, end := uint64(g.at)&^(cs-1), uint64(g.at)|(cs-1) // of the clusters looked at
	for range maxLooked {
		if forward && end >= g.size-1 || !forward && first == 0 {
			m.say("no more clusters of the disk are allocated")
			return
		}
		at := end + 1
		if !forward {
			at = first - cs
		}
		c := m.image.Resolve(structures.GuestOffset(at), g.snapshot)
		if first, end = at, at|(cs-1); c.Kind == structures.GuestBroken || c.HasL2 && c.L2.Word|c.L2.Bitmap != 0 {
			m.goGuest(structures.GuestOffset(at))
			return
		}
		if from, length, ok := m.image.GuestSpan(&c.L1); ok && !c.HasL2 { // there is no L2 table
			first, end = uint64(from), uint64(from)+length-1
		}
	}
	m.goGuest(structures.GuestOffset(first))
	m.say(fmt.Sprintf("the %d clusters up to here are empty; again goes on", maxLooked))
}
