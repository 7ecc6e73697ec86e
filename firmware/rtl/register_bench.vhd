-- Clocks @PROJECT@_trigger with words in the place of what its stages give, for `fpgaae rtl`: of each line of bits in GIVEN,
-- what the other stages get and what the outputs are behind the edge into SEEN. Nothing is compared here.
library ieee;
use ieee.std_logic_1164.all;
use ieee.std_logic_textio.all;
use std.textio.all;

entity @PROJECT@_register_bench is
    generic (
        INPUTS  : string;
        RESULTS : string
    );
end entity @PROJECT@_register_bench;

architecture simulation of @PROJECT@_register_bench is
    signal clk     : std_logic := '0';
    signal objects : std_logic_vector(@INPUT_BITS@ - 1 downto 0) := (others => '0');
    signal score   : std_logic_vector(@SCORE_BITS@ - 1 downto 0);
    signal accept  : std_logic_vector(@N_ACCEPT@ - 1 downto 0);
@LATENTS{    signal latents : std_logic_vector(@LATENTS_BITS@ - 1 downto 0);
}@begin
    trigger : entity work.@PROJECT@_trigger
        port map (clk => clk, objects => objects, score => score, accept => accept@LATENTS{, latents => latents}@);

    process
        file given_file : text open read_mode is INPUTS;
        file seen_file  : text open write_mode is RESULTS;
        variable words  : line;
        variable bits   : std_logic_vector(work.register_words.given'range);
    begin
        while not endfile(given_file) loop
            readline(given_file, words);
            read(words, bits);
            work.register_words.given <= bits;
            clk <= '0';
            wait for 1 ns;
            clk <= '1';
            wait for 1 ns;
            write(words, @LATENTS{latents & }@accept & score & work.register_words.seen);
            writeline(seen_file, words);
        end loop;
        wait;
    end process;
end architecture simulation;
