package literal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"qedit/literal"
)

// samples are bytes that some form could trip over.
func samples() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	long := bytes.Repeat([]byte("häß \\ ' \" % \x00 1\xe2\x82"), 200) // characters cut by the pieces that are written
	every = append(every, bytes.Repeat([]byte{'x'}, 300)...)          // two lines for a shell
	return [][]byte{{0}, []byte("QFI\xfb"), []byte("-n %d '\\'"), []byte("€\xe2\x82"), []byte("0123456789abcdef"), every, long}
}

func write(t testing.TB, name string, data []byte, at uint64) string {
	t.Helper()
	f, ok := literal.Find(name)
	if !ok {
		t.Fatal(name)
	}
	var b strings.Builder
	s := literal.Source{Bytes: bytes.NewReader(data), Length: uint64(len(data)), Offset: at, File: "a b.qcow2", Expression: "0x30..0x31"}
	if err := f.Write(&b, s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.String()
}

// What a form writes is read as the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, f := range literal.Forms() {
		for _, data := range samples() {
			if f.Reads == "" {
				continue
			}
			text := write(t, f.Name, data, 0x1ffffff30)
			r, err := literal.ReadAs(f.Reads, text)
			if err != nil || !bytes.Equal(r.Bytes, data) {
				t.Errorf("%s of %.16q reads as %.16q, %v", f.Name, data, r.Bytes, err)
			}
			if f.Name == "dump" && r.Offset != 0x1ffffff30 {
				t.Errorf("the dump is of 0x%x", r.Offset)
			}
			// Those that look like nothing else are found out.
			if f.Name == "text" || f.Name == "base64" || f.Name == "numbers" && len(data) == 1 {
				continue
			}
			if r, err := literal.Read(text); err != nil || !bytes.Equal(r.Bytes, data) {
				t.Errorf("%s of %.16q is taken for %s: %.16q, %v", f.Name, data, r.What, r.Bytes, err)
			}
		}
	}
}

// Other programs read what is written for them.
func TestOthersRead(t *testing.T) {
	for _, data := range samples() {
		var list []byte
		e, err := parser.ParseExpr(write(t, "go", data, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range e.(*ast.CompositeLit).Elts {
			n, _ := strconv.ParseUint(x.(*ast.BasicLit).Value, 0, 8)
			list = append(list, byte(n))
		}
		if !bytes.Equal(list, data) {
			t.Errorf("go: % x", list)
		}
		var o struct {
			Offset, Length int
			Base64         []byte
		}
		if err := json.Unmarshal([]byte(write(t, "json", data, 7)), &o); err != nil || o.Offset != 7 || o.Length != len(data) || !bytes.Equal(o.Base64, data) {
			t.Errorf("json: %+v, %v", o, err)
		}
		var numbers []int
		if err := json.Unmarshal([]byte(write(t, "numbers", data, 0)), &numbers); err != nil || len(numbers) != len(data) || numbers[0] != int(data[0]) {
			t.Errorf("numbers: %v, %v", numbers, err)
		}
		if got, err := base64.StdEncoding.DecodeString(strings.TrimSpace(write(t, "base64", data, 0))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("base64: % x, %v", got, err)
		}
	}
}

// run runs a program on a text; without it the test is skipped.
func run(t *testing.T, stdin, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not here", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func TestShell(t *testing.T) {
	for _, data := range samples() {
		if got := run(t, write(t, "printf", data, 0), "sh"); !bytes.Equal(got, data) {
			t.Errorf("printf %.20q gives %.20q", data, got)
		}
		if len(data) > 1000 {
			continue // dd takes a call for each byte
		}
		image := filepath.Join(t.TempDir(), "it's.img")
		before := bytes.Repeat([]byte{0xee}, 9000)
		if err := os.WriteFile(image, before, 0o600); err != nil {
			t.Fatal(err)
		}
		f, _ := literal.Find("dd")
		var lines strings.Builder
		if err := f.Write(&lines, literal.Source{Bytes: bytes.NewReader(data), Length: uint64(len(data)), Offset: 5, File: image}); err != nil {
			t.Fatal(err)
		}
		run(t, lines.String(), "sh")
		copy(before[5:], data)
		if got, _ := os.ReadFile(image); !bytes.Equal(got, before) {
			t.Errorf("dd of %.20q leaves %.20q", data, got)
		}
	}
}

func TestPython(t *testing.T) {
	for _, data := range samples()[4:] {
		if got := run(t, "import sys\nx = "+write(t, "python", data, 0)+"sys.stdout.buffer.write(x)\n", "python3", "-"); !bytes.Equal(got, data) {
			t.Errorf("%.20q gives %.20q", data, got)
		}
	}
}

func TestC(t *testing.T) {
	data := samples()[5]
	program := "#include <stdio.h>\n" + write(t, "c", data, 0) + "int main(void) { return fwrite(bytes, 1, sizeof bytes, stdout) != sizeof bytes; }\n"
	out := filepath.Join(t.TempDir(), "c")
	run(t, program, "cc", "-x", "c", "-Wall", "-Werror", "-o", out, "-")
	if got := run(t, "", out); !bytes.Equal(got, data) {
		t.Errorf("% x", got)
	}
}

// Text of other programs, and what it is taken for.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		text, what, want string
		at               uint64
	}{
		{text: "51 46 49 fb", what: "hexadecimal digits", want: "QFI\xfb"},
		{text: "0x51, 0x46\n0X49 0xFB", what: "hexadecimal digits", want: "QFI\xfb"},
		{text: `\x51\x46\x49\xfb`, what: "hexadecimal digits", want: "QFI\xfb"},
		{text: "51:46-49:fb", what: "hexadecimal digits", want: "QFI\xfb"},
		{text: "0x514649fb", what: "hexadecimal digits", want: "QFI\xfb"},
		{text: "0xf", what: "hexadecimal digits", want: "\x0f"},
		{text: "514", what: "text", want: "514"},
		{text: "hello\n", what: "text", want: "hello\n"},
		{text: `a\x00b`, what: "text with escapes", want: "a\x00b"},
		{text: `C:\new`, what: "text", want: `C:\new`},
		{text: "unsigned char x[] = {\n  0x51, 70,\n 'I', 0373 };\nunsigned int x_len = 4;", what: "array of C or Go", want: "QFI\xfb"},
		{text: "[81, -5]", what: "array of numbers", want: "Q\xfb"},
		{text: "[81, 300]", what: "text", want: "[81, 300]"},
		{text: `{"guest": 512, "base64": "UUZJ+w=="}`, what: "JSON object with base64", want: "QFI\xfb", at: 512},
		{text: "UUZJ+w==", what: "base64", want: "QFI\xfb"},
		{text: "password", what: "text", want: "password"},
		{text: `b'QFI\xfb'`, what: "string between quotes", want: "QFI\xfb"},
		{text: `printf '\121F' | dd of=x`, what: "printf of a shell", want: "QF"},
		{text: "printf '%s' x", what: "text", want: "printf '%s' x"},
		{text: "00000010: 5146 49fb 0000 0003  QFI.....\n00000018: 00                       .\n", what: "rows of a dump", want: "QFI\xfb\x00\x00\x00\x03\x00", at: 16},
		{text: "00000010:  51 46 49 fb  QFI.\n", what: "rows of a dump", want: "QFI\xfb", at: 16},
		{text: "00000010  51 46 49 fb                                       |QFI.|\n00000014\n", what: "rows of a dump", want: "QFI\xfb", at: 16},
		{text: "00000000  61 61  |aa|\n*\n00000006  62  |b|\n", what: "rows of a dump", want: "aaaaaab"},
		{text: "00000000 51 46", what: "hexadecimal digits", want: "\x00\x00\x00\x00QF"},
		{text: "00000000  61  |a|\n00000009  62  |b|\n", what: "text", want: "00000000  61  |a|\n00000009  62  |b|\n"},
	} {
		r, err := literal.Read(c.text)
		if err != nil || r.What != c.what || string(r.Bytes) != c.want || r.Offset != c.at {
			t.Errorf("%q: %s of %q at 0x%x, %v", c.text, r.What, r.Bytes, r.Offset, err)
		}
	}
	for _, c := range []struct {
		how        literal.Reading
		text, want string
	}{
		{literal.Hex, "51 4", "odd number"},
		{literal.Hex, "51 zz", "is no hexadecimal digit"},
		{literal.Hex, "{1, 256}", "is no byte"},
		{literal.Hex, "{1", "no end"},
		{literal.Hex, " ", "no bytes"},
		{literal.Text, "", "no bytes"},
		{literal.Base64, "!", "no base64 at character 1"},
		{literal.Escaped, `\q`, "is no escape"},
		{literal.Hex, strings.Repeat("00", literal.MaxText), "too long"},
	} {
		if _, err := literal.ReadAs(c.how, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.20q: %v", c.how, c.text, err)
		}
	}
	if _, err := literal.Read("00000000  00  |.|\n*\nffffffff0  00  |.|\n"); err != nil {
		t.Error(err) // too many bytes for a dump: text
	}
}

// Forms that name a place need no bytes.
func TestPlaces(t *testing.T) {
	s := literal.Source{Length: 512, Offset: 1024, File: "-odd name", Expression: "0x400..0x600"}
	for _, c := range []struct {
		form, want       string
		onDisk, snapshot bool
	}{
		{form: "qemu-io", want: "qemu-io -r -f raw -c 'read -v 1024 512' './-odd name'\n"},
		{form: "qemu-io", onDisk: true, want: "qemu-io -r -f qcow2 -c 'read -v 1024 512' './-odd name'\n"},
		{form: "qemu-io", onDisk: true, snapshot: true, want: "qemu-io reads the disk of a snapshot by no offset"},
		{form: "dd", onDisk: true, want: "bytes of the virtual disk lie in no order that dd could write"},
		{form: "expression", want: "0x400..0x600\n"},
	} {
		f, _ := literal.Find(c.form)
		s.OnDisk, s.Snapshot = c.onDisk, c.snapshot
		var b strings.Builder
		if err := f.Write(&b, s); err != nil {
			b.WriteString(err.Error())
		}
		if b.String() != c.want {
			t.Errorf("%s: %s", c.form, b.String())
		}
	}
}

// A source that ends early is an error, not less text.
func TestShortSource(t *testing.T) {
	for _, f := range literal.Forms() {
		s := literal.Source{Bytes: strings.NewReader("abc"), Length: 5000}
		if err := f.Write(io.Discard, s); !f.Places && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, form := range literal.Forms() {
		if form.Reads != "" {
			f.Add(write(f, form.Name, []byte("QFI\xfb\x00'\\%"), 16))
		}
	}
	f.Add("00000000  61 61  |aa|\n*\n00000006  62  |b|\n")
	f.Add("0000: 61 61  a\n*\nffffffffffffffff: 62  b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := literal.Read(text); err == nil && (len(r.Bytes) == 0 || len(r.Bytes) > literal.MaxText) {
			t.Errorf("%d bytes", len(r.Bytes))
		}
		for _, how := range literal.Readings {
			r, err := literal.ReadAs(how, text)
			if err == nil && (r.What == "" || len(r.Bytes) == 0 || len(r.Bytes) > literal.MaxText) {
				t.Errorf("%s: %d bytes, %q", how, len(r.Bytes), r.What)
			}
		}
	})
}

func ExampleForm_Write() {
	f, _ := literal.Find("dd")
	var b strings.Builder
	if err := f.Write(&b, literal.Source{Bytes: strings.NewReader("QFI\xfb"), Length: 4, File: "disk.qcow2"}); err == nil {
		fmt.Print(b.String())
	}
	// Output: printf 'QFI\373' | dd of=disk.qcow2 bs=1 seek=0 conv=notrunc
}
