package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"qedit/header"
)

// newExtension is the command whose parts add, replace and delete extensions of
// the header.
func newExtension(env Env, flags *sessionFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "extension add|replace|delete FILE ...",
		Short: "Add, replace or delete a header extension, checked, and save",
		Long: `Add, replace or delete an extension of the header, in one transaction, and save
it. Types are names (backing_format, feature_names, bitmaps, luks, data_file) or
numbers. Data is an argument: hexadecimal digits, or "text" between double
quotes, which types that are text (backing_format, data_file) do without; or it
is what a file has, or standard input, byte for byte. See get and set for single
fields of an extension, and info for the extensions there are.

Exit codes: 0 done; 1 failed or refused, nothing was written; 2 wrong usage.`,
		Example: `  qedit extension add disk.qcow2 0x12345678 00ff00ff
  qedit extension replace disk.qcow2 feature_names --file names.bin
  qedit extension delete disk.qcow2 backing_format`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("add, replace or delete is expected")
			}
			return fmt.Errorf("add, replace or delete is expected, got %s", header.Quote(args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.AddCommand(newExtensionAdd(env, flags), newExtensionReplace(env, flags), newExtensionDelete(env, flags))
	return cmd
}

// extensionEdit are the flags of the commands that edit an extension.
type extensionEdit struct {
	dryRun, raw bool
	file        string
	out         *choice
}

func (e *extensionEdit) addFlags(cmd *cobra.Command, data bool) {
	cmd.Flags().BoolVarP(&e.dryRun, "dry-run", "n", false, "print the plan, write nothing")
	cmd.Flags().BoolVar(&e.raw, "raw", false, "allow what breaks rules")
	if data {
		cmd.Flags().StringVar(&e.file, "file", "", "take the data from `FILE`, - for standard input")
	}
	e.out = addOutput(cmd, "text", "json")
}

// dataArgs takes n arguments, and one more with the data unless that comes from
// a file.
func (e *extensionEdit) dataArgs(n int, names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case e.file != "" && len(args) == n+1:
			return errors.New("the data is given twice: as an argument, and with --file")
		case e.file == "" && len(args) != n+1, e.file != "" && len(args) != n:
			return fmt.Errorf("expected %s and DATA or --file", names)
		}
		return nil
	}
}

// extension returns the extension that the arguments give.
func (e *extensionEdit) extension(env Env, typ string, data []string) (header.Extension, error) {
	if len(data) > 0 {
		return header.ParseExtension(typ, data[0])
	}
	x, err := header.ParseExtension(typ, "")
	if err != nil {
		return x, err
	}
	x.Data, err = readInput(env, e.file, header.MaxClusterSize)
	return x, err
}

// run makes the change in a session and saves it.
func (e *extensionEdit) run(env Env, flags *sessionFlags, path string, change func(*header.Draft) error) error {
	s, err := flags.edit(path, e.dryRun)
	if err != nil {
		return err
	}
	defer s.Close()
	w := newWorkbench(s.View(), s.Size(), s.Area())
	if err := w.edit(change); err != nil {
		return nothingWritten(err)
	}
	if err := w.apply(s, e.raw); err != nil {
		return refusal(err)
	}
	return saveAndPrint(env, flags, e.out, path, s, e.dryRun)
}

func newExtensionAdd(env Env, flags *sessionFlags) *cobra.Command {
	var e extensionEdit
	cmd := &cobra.Command{
		Use:   "add FILE TYPE DATA",
		Short: "Add an extension behind the others",
		Long:  "Add an extension behind the others. See qedit extension for TYPE and DATA.\n\n" + editExitCodes,
		Args:  e.dataArgs(2, "FILE, TYPE"),
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := e.extension(env, args[1], args[2:])
			if err != nil {
				return nothingWritten(err)
			}
			return e.run(env, flags, args[0], func(d *header.Draft) error { return d.AddExtension(x) })
		},
	}
	e.addFlags(cmd, true)
	return cmd
}

const whichMeaning = `WHICH is the number of the extension, counted from 0, or its type where there is
one extension of it.
`

const editExitCodes = "Exit codes: 0 done; 1 failed or refused, nothing was written; 2 wrong usage."

func newExtensionReplace(env Env, flags *sessionFlags) *cobra.Command {
	var e extensionEdit
	var typ string
	cmd := &cobra.Command{
		Use:   "replace FILE WHICH DATA",
		Short: "Replace the data of an extension",
		Long:  "Replace the data of an extension, and with --type its type.\n" + whichMeaning + "See qedit extension for DATA.\n\n" + editExitCodes,
		Args:  e.dataArgs(2, "FILE, WHICH"),
		RunE: func(_ *cobra.Command, args []string) error {
			var given []byte
			if e.file != "" {
				var err error
				if given, err = readInput(env, e.file, header.MaxClusterSize); err != nil {
					return err
				}
			}
			return e.run(env, flags, args[0], func(d *header.Draft) error {
				i, err := findExtension(d.Area().Header.Extensions, args[1])
				if err != nil {
					return err
				}
				as := typ
				if as == "" {
					as = typeName(d.Area().Header.Extensions[i].Type)
				}
				data := ""
				if len(args) > 2 {
					data = args[2]
				}
				x, err := header.ParseExtension(as, data)
				if err != nil {
					return err
				}
				if e.file != "" {
					x.Data = given
				}
				return d.ReplaceExtension(i, x)
			})
		},
	}
	e.addFlags(cmd, true)
	cmd.Flags().StringVar(&typ, "type", "", "the new `TYPE`")
	return cmd
}

func newExtensionDelete(env Env, flags *sessionFlags) *cobra.Command {
	var e extensionEdit
	cmd := &cobra.Command{
		Use:   "delete FILE WHICH...",
		Short: "Delete extensions",
		Long:  "Delete extensions.\n" + whichMeaning + "\n" + editExitCodes,
		Args:  atLeast(2, "FILE and at least one WHICH"),
		RunE: func(_ *cobra.Command, args []string) error {
			return e.run(env, flags, args[0], func(d *header.Draft) error {
				var which []int
				for _, a := range args[1:] {
					i, err := findExtension(d.Area().Header.Extensions, a)
					if err != nil {
						return err
					}
					if slices.Contains(which, i) {
						return fmt.Errorf("%s is named twice", header.ExtensionPath(i))
					}
					which = append(which, i)
				}
				slices.Sort(which)
				for _, i := range slices.Backward(which) {
					if err := d.DeleteExtension(i); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	e.addFlags(cmd, false)
	return cmd
}

// typeName returns what ParseExtension reads as the type: its name, or its
// number.
func typeName(t header.ExtensionType) string {
	for _, k := range header.ExtensionKinds() {
		if k.Type == t {
			return k.Name
		}
	}
	return fmt.Sprintf("0x%08x", uint32(t))
}

// findExtension returns the number of the extension that a person names: by its
// number, its path, or its type.
func findExtension(all []header.Extension, which string) (int, error) {
	i, byPath := header.ExtensionIndex(which)
	if !byPath {
		n, err := strconv.Atoi(which)
		if i = n; err != nil || n < 0 || n > header.MaxExtensions {
			i = -1
		}
	}
	if i >= 0 {
		if i < len(all) {
			return i, nil
		}
		return 0, fmt.Errorf("there is no extension %d, the image has %s", i, header.Count(len(all), "extension"))
	}
	like, err := header.ParseExtension(which, "")
	if err != nil {
		return 0, fmt.Errorf("%s: the number of an extension, or its type is expected", header.Quote(which))
	}
	var found []int
	var names []string
	for i, e := range all {
		if e.Type == like.Type {
			found = append(found, i)
			names = append(names, strconv.Itoa(i))
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("there is no extension of type %v", like.Type)
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("several extensions have type %v: name one by its number, %s", like.Type, strings.Join(names, " or "))
}
