-- Testbench of @STAGE@, one stage of a traced pipeline alone, for `fpgaae rtl`: of each line of bits in INPUTS, what comes out
-- into RESULTS. Nothing is compared here.
library ieee;
use ieee.std_logic_1164.all;
use ieee.std_logic_textio.all;
use std.textio.all;

entity @STAGE@_bench is
    generic (
        INPUTS  : string;
        RESULTS : string
    );
end entity @STAGE@_bench;

architecture simulation of @STAGE@_bench is
    signal model_inp : std_logic_vector(@INPUT_BITS@ - 1 downto 0) := (others => '0');
    signal model_out : std_logic_vector(@OUTPUT_BITS@ - 1 downto 0);
begin
    stage : entity work.@STAGE@ port map (model_inp => model_inp, model_out => model_out);

    process
        file inputs_file  : text open read_mode is INPUTS;
        file results_file : text open write_mode is RESULTS;
        variable words    : line;
        variable bits     : std_logic_vector(@INPUT_BITS@ - 1 downto 0);
    begin
        while not endfile(inputs_file) loop
            readline(inputs_file, words);
            read(words, bits);
            model_inp <= bits;
            wait for 1 ns;
            write(words, model_out);
            writeline(results_file, words);
        end loop;
        wait;
    end process;
end architecture simulation;
