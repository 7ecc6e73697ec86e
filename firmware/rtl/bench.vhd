-- Testbench of @PROJECT@_trigger for `fpgaae rtl`: an event a clock from EVENTS, a line of bits each; into RESULTS, a line for
-- each clock from the one behind which the first result is due, with the score, the decisions, and
-- the latents where they are a port. Nothing is compared here.
library ieee;
use ieee.std_logic_1164.all;
use ieee.std_logic_textio.all;
use std.textio.all;

entity @PROJECT@_bench is
    generic (
        EVENTS  : string;
        RESULTS : string
    );
end entity @PROJECT@_bench;

architecture simulation of @PROJECT@_bench is
    signal clk     : std_logic := '0';
    signal objects : std_logic_vector(@INPUT_BITS@ - 1 downto 0) := (others => '0');
    signal score   : std_logic_vector(@SCORE_BITS@ - 1 downto 0);
    signal accept  : std_logic_vector(@N_ACCEPT@ - 1 downto 0);
@LATENTS{    signal latents : std_logic_vector(@LATENTS_BITS@ - 1 downto 0);
}@begin
    trigger : entity work.@PROJECT@_trigger
        port map (clk => clk, objects => objects, score => score, accept => accept@LATENTS{, latents => latents}@);

    process
        file events_file  : text open read_mode is EVENTS;
        file results_file : text open write_mode is RESULTS;
        variable words    : line;
        variable bits     : std_logic_vector(@INPUT_BITS@ - 1 downto 0);
        variable n_edges  : natural := 0;
        variable n_events : natural := 0;
    begin
        while not endfile(events_file) or n_edges < n_events + @LATENCY@ - 1 loop
            if not endfile(events_file) then
                readline(events_file, words);
                read(words, bits);
                objects <= bits;
                n_events := n_events + 1;
            end if;
            wait for 1 ns;
            clk <= '1';
            wait for 1 ns;
            n_edges := n_edges + 1;
            if n_edges >= @LATENCY@ then
                write(words, score);
                write(words, ' ');
                write(words, accept);
@LATENTS{                write(words, ' ');
                write(words, latents);
}@                writeline(results_file, words);
            end if;
            clk <= '0';
        end loop;
        wait;
    end process;
end architecture simulation;
