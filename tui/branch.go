package tui
func (m *Model) revealPart() {}
