// Package literal writes bytes as text that other programs read (hexadecimal
// digits, an array of C, a printf line and so on) and reads such text back.
//
// Writing streams: what it takes does not grow with the number of bytes. Reading
// is bounded by MaxText.
package literal

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"qedit/header"
)

// Source is a run of bytes with where it lies.
type Source struct {
	Bytes  io.Reader // of the bytes, Length of them; nil for forms that need none
	Length uint64    // bytes
	Offset uint64    // of the first one, in the file or on the virtual disk
	// OnDisk marks bytes of the virtual disk of an image, not of its file.
	OnDisk bool
	// Snapshot marks those of the disk of a snapshot, which other programs do not
	// reach by an offset.
	Snapshot   bool
	File       string // path of the image, as the command line has it
	Expression string // that names the run
}

// Form is a way to write bytes as text.
type Form struct {
	Name    string // of one word: "c"
	Meaning string // in a few words, for people
	// Reads is how Read takes the text back; "" where that does not give the bytes.
	Reads Reading
	// Places marks forms that name a place: they need no bytes.
	Places bool

	write func(w *bufio.Writer, s Source) error
	lacks func(s Source) string // why a source has no such form, "" where it has
}

// forms is the one table of forms.
var forms = []Form{
	{Name: "hex", Meaning: "hexadecimal digits, spaced", Reads: Hex, write: writeSpaced},
	{Name: "digits", Meaning: "hexadecimal digits alone", Reads: Hex, write: writeDigits},
	{Name: "dump", Meaning: "rows with offsets and characters", Reads: Hex, write: writeDump},
	{Name: "text", Meaning: `text; \n \x1b are escapes`, Reads: Escaped, write: writeText},
	{Name: "c", Meaning: "array of C", Reads: Hex, write: writeC},
	{Name: "go", Meaning: "slice of Go", Reads: Hex, write: writeGo},
	{Name: "python", Meaning: "bytes of Python", Reads: Escaped, write: writePython},
	{Name: "json", Meaning: "object with offset, length, base64", Reads: Base64, write: writeJSON},
	{Name: "numbers", Meaning: "JSON array of numbers", Reads: Hex, write: writeNumbers},
	{Name: "base64", Meaning: "base64, on one line", Reads: Base64, write: writeBase64},
	{Name: "printf", Meaning: "printf of a shell", Reads: Escaped, write: writePrintf},
	{Name: "dd", Meaning: "shell line that writes them there", Reads: Escaped, write: writeDD, lacks: ofFile},
	{Name: "qemu-io", Meaning: "shell line that shows them", Places: true, write: writeQEMU, lacks: reachable},
	{Name: "expression", Meaning: "the range, as an expression", Places: true, write: writeExpression},
}

// Forms returns all forms.
func Forms() []Form { return slices.Clone(forms) }

// Names returns the names of all forms.
func Names() []string {
	var names []string
	for _, f := range forms {
		names = append(names, f.Name)
	}
	return names
}

// Find returns the form of a name.
func Find(name string) (Form, bool) {
	i := slices.IndexFunc(forms, func(f Form) bool { return f.Name == name })
	if i < 0 {
		return Form{}, false
	}
	return forms[i], true
}

// Lacks says why a source has no such form, "" where it has.
func (f Form) Lacks(s Source) string {
	if f.lacks == nil {
		return ""
	}
	return f.lacks(s)
}

// Write writes bytes in the form, and a line break behind it.
func (f Form) Write(w io.Writer, s Source) error {
	if why := f.Lacks(s); why != "" {
		return errors.New(why)
	}
	b := bufio.NewWriter(w)
	if s.Bytes != nil {
		s.Bytes = bufio.NewReaderSize(s.Bytes, 64<<10)
	}
	if err := f.write(b, s); err != nil {
		return err
	}
	return b.Flush()
}

func ofFile(s Source) string {
	if s.OnDisk {
		return "bytes of the virtual disk lie in no order that dd could write"
	}
	return ""
}

func reachable(s Source) string {
	if s.Snapshot {
		return "qemu-io reads the disk of a snapshot by no offset"
	}
	return ""
}

// each calls row with pieces of a source, of n bytes but for the last, and with
// how many bytes came before.
func (s Source) each(n int, row func(done uint64, p []byte) error) error {
	buf := make([]byte, min(uint64(n), s.Length))
	for done := uint64(0); done < s.Length; {
		p := buf[:min(uint64(n), s.Length-done)]
		if _, err := io.ReadFull(s.Bytes, p); err != nil {
			return err
		}
		if err := row(done, p); err != nil {
			return err
		}
		done += uint64(len(p))
	}
	return nil
}

const (
	rowBytes   = 16  // of a row of a dump
	arrayBytes = 8   // of a row of an array: an entry of most tables of an image
	lineBytes  = 512 // of a line for a shell
	pieceBytes = 3 << 10
)

func writeSpaced(w *bufio.Writer, s Source) error {
	err := s.each(pieceBytes, func(done uint64, p []byte) error {
		if done > 0 {
			w.WriteByte(' ')
		}
		_, err := fmt.Fprintf(w, "% x", p)
		return err
	})
	w.WriteByte('\n')
	return err
}

func writeDigits(w *bufio.Writer, s Source) error {
	err := s.each(pieceBytes, func(_ uint64, p []byte) error {
		_, err := fmt.Fprintf(w, "%x", p)
		return err
	})
	w.WriteByte('\n')
	return err
}

// OffsetDigits returns how many digits the offsets of a dump have whose last row
// ends at an offset.
func OffsetDigits(end uint64) int { return max(8, len(fmt.Sprintf("%x", end))) }

const hexDigits = "0123456789abcdef"

// AppendRow appends a row of a dump: the offset with so many digits, up to 16
// bytes, and the characters among them.
func AppendRow(b []byte, at uint64, p []byte, digits int) []byte {
	b = fmt.Appendf(b, "%0*x ", digits, at)
	for i := range rowBytes {
		if i == rowBytes/2 {
			b = append(b, ' ')
		}
		if i < len(p) {
			b = append(b, ' ', hexDigits[p[i]>>4], hexDigits[p[i]&15])
		} else {
			b = append(b, "   "...)
		}
	}
	b = append(b, "  |"...)
	for _, c := range p {
		if c < ' ' || c > '~' {
			c = '.'
		}
		b = append(b, c)
	}
	return append(b, "|\n"...)
}

func writeDump(w *bufio.Writer, s Source) error {
	var row []byte
	digits := OffsetDigits(s.Offset + s.Length)
	return s.each(rowBytes, func(done uint64, p []byte) error {
		row = AppendRow(row[:0], s.Offset+done, p, digits)
		_, err := w.Write(row)
		return err
	})
}

// writeText keeps the start of a character that a piece ends in for the next.
func writeText(w *bufio.Writer, s Source) error {
	var rest []byte
	err := s.each(pieceBytes, func(_ uint64, p []byte) error {
		rest = append(rest, p...)
		cut := len(rest)
		for i := len(rest) - 1; i >= max(0, len(rest)-utf8.UTFMax); i-- {
			if utf8.RuneStart(rest[i]) {
				if !utf8.FullRune(rest[i:]) {
					cut = i
				}
				break
			}
		}
		w.WriteString(header.Printable(string(rest[:cut])))
		rest = append(rest[:0], rest[cut:]...)
		return nil
	})
	w.WriteString(header.Printable(string(rest)))
	w.WriteByte('\n')
	return err
}

func writeC(w *bufio.Writer, s Source) error {
	fmt.Fprintf(w, "const unsigned char bytes[%d] = {\n", s.Length)
	err := writeRows(w, s)
	w.WriteString("};\n")
	return err
}

func writeGo(w *bufio.Writer, s Source) error {
	w.WriteString("[]byte{\n")
	err := writeRows(w, s)
	w.WriteString("}\n")
	return err
}

// writeRows writes bytes as numbers with commas.
func writeRows(w *bufio.Writer, s Source) error {
	var row []byte
	return s.each(arrayBytes, func(_ uint64, p []byte) error {
		row = append(row[:0], '\t')
		for _, b := range p {
			row = append(row, '0', 'x', hexDigits[b>>4], hexDigits[b&15], ',', ' ')
		}
		row[len(row)-1] = '\n'
		_, err := w.Write(row)
		return err
	})
}

// writePython writes one string, or one for each row between parentheses.
func writePython(w *bufio.Writer, s Source) error {
	if s.Length <= arrayBytes {
		w.WriteString(`b"`)
		err := s.each(arrayBytes, func(_ uint64, p []byte) error { pythonBytes(w, p); return nil })
		w.WriteString("\"\n")
		return err
	}
	w.WriteString("(\n")
	err := s.each(arrayBytes, func(_ uint64, p []byte) error {
		w.WriteString("    b\"")
		pythonBytes(w, p)
		_, err := w.WriteString("\"\n")
		return err
	})
	w.WriteString(")\n")
	return err
}

func pythonBytes(w *bufio.Writer, p []byte) {
	for _, b := range p {
		if b == '"' || b == '\\' || b < ' ' || b > '~' {
			w.WriteString(`\x`)
			w.WriteByte(hexDigits[b>>4])
			w.WriteByte(hexDigits[b&15])
		} else {
			w.WriteByte(b)
		}
	}
}

func writeJSON(w *bufio.Writer, s Source) error {
	where := "offset"
	if s.OnDisk {
		where = "guest"
	}
	fmt.Fprintf(w, `{"%s":%d,"length":%d,"base64":"`, where, s.Offset, s.Length)
	err := encodeBase64(w, s)
	w.WriteString("\"}\n")
	return err
}

func writeNumbers(w *bufio.Writer, s Source) error {
	w.WriteByte('[')
	err := s.each(pieceBytes, func(done uint64, p []byte) error {
		for i, b := range p {
			if done+uint64(i) > 0 {
				w.WriteByte(',')
			}
			w.WriteString(strconv.Itoa(int(b)))
		}
		return nil
	})
	w.WriteString("]\n")
	return err
}

func writeBase64(w *bufio.Writer, s Source) error {
	err := encodeBase64(w, s)
	w.WriteByte('\n')
	return err
}

func encodeBase64(w *bufio.Writer, s Source) error {
	e := base64.NewEncoder(base64.StdEncoding, w)
	err := s.each(pieceBytes, func(_ uint64, p []byte) error { _, err := e.Write(p); return err })
	return errors.Join(err, e.Close())
}

func writePrintf(w *bufio.Writer, s Source) error {
	return s.each(lineBytes, func(_ uint64, p []byte) error {
		_, err := w.WriteString(printfOf(p) + "\n")
		return err
	})
}

// printfOf returns the command of a POSIX shell that prints bytes. Octal escapes
// of three digits are all that every printf takes in its format.
func printfOf(p []byte) string {
	var b strings.Builder
	b.Grow(4*len(p) + len("printf ''"))
	b.WriteString("printf '")
	for i, c := range p {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' || c == '%' || c == '-' && i == 0 {
			b.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// writeDD writes lines that put the bytes where they are from, and leave the
// rest of the file.
func writeDD(w *bufio.Writer, s Source) error {
	file := ShellWord(FileWord(s.File))
	return s.each(lineBytes, func(done uint64, p []byte) error {
		_, err := fmt.Fprintf(w, "%s | dd of=%s bs=1 seek=%d conv=notrunc\n", printfOf(p), file, s.Offset+done)
		return err
	})
}

func writeQEMU(w *bufio.Writer, s Source) error {
	format := "raw"
	if s.OnDisk {
		format = "qcow2"
	}
	_, err := fmt.Fprintf(w, "qemu-io -r -f %s -c 'read -v %d %d' %s\n", format, s.Offset, s.Length, ShellWord(FileWord(s.File)))
	return err
}

func writeExpression(w *bufio.Writer, s Source) error {
	_, err := w.WriteString(s.Expression + "\n")
	return err
}
